// Command carillon is the caretaker: it reads flags, environment and config file, builds the house (house.go lists every
// dialect and sink by name) and runs it, or speaks to one that runs. docs/cli.md describes the commands.
package main
