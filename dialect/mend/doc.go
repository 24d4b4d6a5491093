// Package mend reads bodies that are JSON, or that vendors take for JSON.
//
// The bytes that were posted enter; JSON as dialect.Members reads it leaves, with a note in words for each thing that had to be
// put right. What is JSON already is never touched.
package mend
