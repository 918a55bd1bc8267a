"""A mail server for one test: what it was given, it keeps."""

import socketserver


class Post(socketserver.StreamRequestHandler):
    """As much SMTP as one letter takes."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        server: PostOffice = self.server  # type: ignore[assignment]
        while line := self.rfile.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    letter += part
                server.letters.append(letter.decode())
                self.wfile.write(b"250 kept\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


class PostOffice(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.letters: list[str] = []
