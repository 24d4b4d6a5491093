// Package egresstest holds what tests of outgoing connections need: a resolver that knows the names it is told, and
// changes its mind when asked to.
package egresstest
