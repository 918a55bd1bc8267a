"""Who people are: accounts, teams, sign-in, tokens, invitations."""
