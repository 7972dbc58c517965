// Package film takes the README's moving picture of the real program, and checks the one that is
// kept.
package film
