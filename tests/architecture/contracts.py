"""A kind of contract that import-linter lacks: imports of the standard library and of what is named."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryContract(Contract):
    """What `packages` import from outside this project is the standard library and `also_allowed`."""

    type_name = "standard_library"

    packages: Any = fields.ListField(subfield=fields.ModuleField())
    also_allowed: Any = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        ours = {package.name.partition(".")[0] for package in self.packages}
        allowed = ours | sys.stdlib_module_names | set(self.also_allowed or ())
        found = [
            f"{importer} imports {imported}"
            for package in self.packages
            for importer in sorted({package.name} | graph.find_descendants(package.name))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in allowed
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["found"]:
            output.print_error(line)
