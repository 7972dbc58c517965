// Package openai is the driver for every upstream that speaks the OpenAI chat
// completions API: OpenAI itself, vLLM, Ollama, DeepSeek, OpenRouter and so on,
// at a configurable base URL with an API key for a token.
//
// A request that came in the same dialect is sent on as it came; only the model
// and what the answer's form needs are edited in place. A request of another
// dialect is built from its canonical form. What the upstream answers is read
// just far enough to follow it, and travels beside that as it came.
//
// # When an answer is complete
//
// A stream is complete at [DONE], or at the end of a connection that was closed
// properly after a finish_reason. Everything else is a truncated answer: an end
// without either, a connection that broke, an event that is no JSON, an error
// event, and an answer that stops without having said anything.
//
// The package knows nothing of leases, retries or clients.
package openai

// Name is the driver's name in configurations.
const Name = "openai"

// dialect is the dialect of requests that can be sent on as they are, and of raw
// events.
const dialect = "openai"
