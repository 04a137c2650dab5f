"""The implementations that can be judged.

implementation   functions of arrays
target           a file, a class or a module, by the name that a person types
pipe             a program in any language, behind a pipe
adapters         the libraries that are installed
"""
