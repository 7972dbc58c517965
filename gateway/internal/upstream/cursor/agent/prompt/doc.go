// Package prompt writes a conversation as the first message of a run at the Cursor of today:
// the history in blobs that the upstream fetches, the instructions in the places where models
// follow them, the client's tools under the name of one provider. It does no I/O, and keeps
// nothing: each run is given the whole conversation.
package prompt
