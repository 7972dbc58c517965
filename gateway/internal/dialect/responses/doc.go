// Package responses is OpenAI's Responses API as a dialect, as Codex and the official SDKs
// speak it: it turns a request's items into a canonical chat, and canonical events into the
// API's numbered events, whole answers and error objects. Answers can be kept, so that a
// client goes on with one by its id.
//
// Events that an upstream of the same dialect sent are passed on as they came: only the
// model's name becomes the client's own, and the numbers go on behind those of the events
// that were put in between.
//
// The package does no I/O and knows neither HTTP handlers nor upstreams. Event streams are
// written by a dialect.Sink, which frames and flushes.
package responses
