"""Grade a class: whatever is handed in runs in a sandbox, and every test runs in another process.

How a submission goes through the rooms:

    merge       its answers into the instructor's own notebook
    running     papermill runs that in a kernel of the zygote, inside the sandbox
    line, wire  the tests call its functions across a socket, and only plain values cross
    marking     what the tests say becomes marks and messages
    store       which are kept, whole or not at all
"""
