// Package grammar judges what a gateway sends its clients: the event streams, whole
// answers and error bodies of the Messages, the Chat Completions and the Responses API.
// Each rule is something that a real client stumbles over when it is broken.
//
//	stream := grammar.Messages.Stream(grammar.Options{})
//	_, err := io.Copy(stream, response.Body)
//	for _, violation := range stream.End() {
//		t.Error(violation)
//	}
//
// The package is for tests. It imports the standard library only and shares no code with
// what writes the streams, so that the two can't be wrong in the same way.
package grammar
