"""`python -m neocog`, as PyTorch's launcher calls it: torchrun --nproc-per-node 2 -m neocog train …"""

from .cli import main

main()
