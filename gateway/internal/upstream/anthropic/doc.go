// Package anthropic is the driver of Anthropic's Messages API, and of whatever speaks it.
//
// A request of the same dialect is sent on as it came, but for the model's name and the
// key; the answer comes back as it is, beside what the canonical form has of it. A request
// of another dialect is written from its canonical form.
//
// What is at fault, when something is, one table says: failures.go.
package anthropic
