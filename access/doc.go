// Package access answers one question: who is this, and what may they do?
//
// In come the secrets that requests carry; out go the keys they belong to, each with its org and right. Secrets are
// random, shown once and kept only as their SHA-256.
package access
