"""Uses of the package, each a function from an empty folder to what is wrong."""
