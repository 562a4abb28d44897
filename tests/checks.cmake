# Purity: what the core libraries and the manager must never call, checked on the linked symbols.
