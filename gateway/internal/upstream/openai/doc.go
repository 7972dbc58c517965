// Package openai is the driver for every upstream that speaks the OpenAI chat
// completions API: OpenAI itself, vLLM, Ollama, DeepSeek, OpenRouter and so on,
// at a configurable base URL with an API key for a token.
//
// A request that came in the same dialect is sent on as it came; only the model
// and what the answer's form needs are edited in place. A request of another
// dialect is built from its canonical form. What the upstream answers is read
// just far enough to follow it, and travels beside that as it came.
//
// # Requests of other dialects
//
// Their bodies are built in steps: turns brings the messages into the order that the API
// asks for, building writes them and all else. Upstreams of this API differ in what they
// take of it; quirks is what is known of one, by its host and its settings. The same
// conversation always becomes the same bytes, so that caches find its beginning. What can't
// be carried is not left out: Carries and Prepare tell so before a token is lent.
//
// # Requests of the Responses API
//
// Some upstreams serve that API too. Whether one does is found out once, by a request of nothing,
// and remembered; then such requests go there as they came, and events come back so. Everywhere
// else they are requests of another dialect. Thoughts that another upstream has sealed are taken
// out on the way, with the ids of what they led to; and all thoughts are where the upstream has
// refused a seal.
//
// # What is mended
//
// Upstreams are not always what they say. The first bytes of an answer tell whether it
// is a stream, an object, a page or words; the content type does not. An answer in the
// form that was not asked for is brought into the other one, with every member that it
// has. What is no chunk (empty data, null, words, an object without choices) is a sign
// of life. A chunk that has not the form of the API gets it: a list of choices, a delta,
// indexes and ids of calls, arguments as text, whole characters. All else stays byte for
// byte.
//
// # When an answer is complete
//
// A stream is complete at [DONE], or at the end of the connection after the
// finish_reason of each choice, in whatever way it ends. Everything else is a truncated
// answer: an end without either, an event that is half a JSON, an error event, an error
// in a choice, a finish_reason that means one, and an answer that stops without having
// said anything. Content of any name counts as said, and so do tokens that the upstream
// has counted.
//
// The package knows nothing of leases, retries or clients.
package openai

// Name is the driver's name in configurations.
const Name = "openai"

// dialect is the dialect of requests that can be sent on as they are, and of raw
// events.
const dialect = "openai"

// responsesDialect is that of the Responses API, which some upstreams serve too.
const responsesDialect = "responses"
