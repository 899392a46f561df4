"""Grade a class: whatever is handed in runs in a sandbox, and every test runs in another process.

How a submission is graded, module by module:

    merge          its answers go into the instructor's own notebook
    running        papermill executes that in a kernel from the fork server, inside the sandbox
    rpc            the tests call its functions across a socket, and only plain values cross
    marking        what the tests say becomes marks and messages
    results.store  which are stored, whole or not at all
"""
