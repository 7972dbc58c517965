// Package anthropic is Anthropic's Messages API as a dialect: it turns a request's JSON
// into a canonical chat, and canonical events into event streams, whole answers, lists of
// models and error objects.
//
// What an upstream of the same dialect sent is passed on byte for byte, but for the model's
// name, which is the one that the client asked for. What comes from any other upstream is
// composed by the API's grammar: blocks are numbered without gaps and never interleave,
// each has the fields of its kind and no others, token counts are always there.
//
// The package does no I/O and knows neither HTTP handlers nor upstreams. Event streams are
// written by a dialect.Sink, which frames and flushes.
package anthropic
