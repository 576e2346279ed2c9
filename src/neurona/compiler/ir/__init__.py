"""What the compiler talks about: sizes, scalar expressions, loops, and where values lie."""
