// Package openai is the OpenAI chat completions API as a dialect: it turns a
// request's JSON into a canonical chat, and canonical events into chunks, whole
// answers, lists of models and error objects.
//
// An event that an upstream of the same dialect sent is passed on as it came:
// only its id, its time, its model and its kind become those of the request, so that
// everything that the canonical form does not name (log probabilities,
// fingerprints, fields that are younger than this package) reaches the client.
//
// The package does no I/O and knows neither HTTP handlers nor upstreams. Event
// streams are written by a dialect.Sink, which frames and flushes.
package openai
