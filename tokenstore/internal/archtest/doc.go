// Package archtest holds the tokenstore's architecture as a test: which package
// may import which. It has no code.
package archtest
