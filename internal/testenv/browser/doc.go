// Package browser drives a Chromium for the tests of pages, as a person would: look, type, wait.
package browser
