// Package look is what all pages of the house have in common: their style, the headers that keep them safe, how the files that
// they load are served, and how they are told what happens.
//
// Faces hand in directories of their own files; out comes a handler for all of them, and their URLs for templates.
package look
