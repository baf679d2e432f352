"""Names that tell the code of plug-ins from the code that ships."""

FILE_MODULE = "starec_plugin_"
"""Modules of plug-ins in single files have names that start with this."""
SHIPPED = ("starec_sim", "starec_agents", "starec_environments")
"""The packages that ship with starec-sim."""
