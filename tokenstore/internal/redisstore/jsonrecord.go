package redisstore

import "google.golang.org/protobuf/encoding/protojson"

// asJSON reads what is kept as JSON of the contract's messages. A later tokenstore may have written
// fields that this one does not know.
var asJSON = protojson.UnmarshalOptions{DiscardUnknown: true}
