// Package agent tests accounts of Cursor, over its agent protocol, as agents use them: built
// binaries, a real Redis, the official clients and a simulated upstream that counts every
// check that a run breaks.
package agent
