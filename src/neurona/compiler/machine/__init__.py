"""From loops and products to machine code, by way of LLVM IR."""
