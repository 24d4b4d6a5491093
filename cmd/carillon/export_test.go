package main

// Main is main, for the test binary to be the program.
var Main = main
