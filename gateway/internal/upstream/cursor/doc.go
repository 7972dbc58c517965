// Package cursor is the upstream driver for dialect A of the Cursor RPC,
// aiserver.v1.AiService/StreamChat: one Connect request, answered by a stream of
// protobuf messages. Framing, compression and the end of the stream are
// connectrpc.com/connect's job; around it are here the mapping of a chat, the
// headers, the meaning of the errors, the bounds and the timeouts.
//
// It knows no API dialect, no token pool and no other driver.
package cursor
