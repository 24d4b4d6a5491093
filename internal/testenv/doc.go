// Package testenv knows what a test needs beyond Go: a browser, services, and programs in Node that were written by others.
//
// A test asks for it by name and gets where it is. Where it is missing the test is skipped with the reason, which
// make test repeats at its end; with CARILLON_TEST_REQUIRE=all (so in CI) it fails instead.
package testenv
