// Package archtest holds the gateway's architecture as a test: which package may
// import which. It has no code.
package archtest
