"""An import-linter contract that states the whole permission: these modules import only those.

The built-in `forbidden` contract needs every stranger named, and a new module would be allowed by default.
"""

import grimp
from importlinter import Contract, ContractCheck, fields, output


def is_within(module: str, package: str) -> bool:
    """Tell whether a module is a package or lives inside it."""
    return module == package or module.startswith(package + ".")


class OnlyContract(Contract):
    """Each source module, with all it contains, imports only itself and the allowed modules.

    Indirect imports are not followed: what the desk uses is the desk's business.
    """

    type_name = "only"

    source_modules = fields.ListField(subfield=fields.StringField())
    allowed_modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        """List every direct import that leaves the allowed modules, with its line."""
        strangers: list[str] = []
        for source in self.source_modules:  # type: ignore[attr-defined]
            allowed = (source, *self.allowed_modules)  # type: ignore[misc]
            for module in sorted(m for m in graph.modules if is_within(m, source)):
                for imported in sorted(graph.find_modules_directly_imported_by(module)):
                    if not any(is_within(imported, package) for package in allowed):
                        details = graph.get_import_details(importer=module, imported=imported)
                        line = details[0]["line_number"] if details else "?"
                        strangers.append(f"{module} imports {imported} (line {line})")
        return ContractCheck(kept=not strangers, metadata={"strangers": strangers})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the imports that must go."""
        for stranger in check.metadata["strangers"]:
            output.print_error(f"- {stranger}")
        allowed = ", ".join(self.allowed_modules)  # type: ignore[arg-type]
        output.print(f"Allowed besides itself: {allowed}")
