"""The implementations that can be judged.

implementation   functions of arrays
target           a file, a class or a module, by the name that a person types
reading          functions, classes and modules of any signature, as functions of arrays
child            a target in a process of its own, which may hang, crash and print
threads          a function called from several threads at once
pipe             a program in any language, behind a pipe
adapters         the libraries that are installed
"""
