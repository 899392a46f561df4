"""The checks of the exercises, a module a chapter. They may use torch, and state their formulas themselves."""
