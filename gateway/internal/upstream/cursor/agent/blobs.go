package agent

import agentv1 "carousel.internal/proto/cursor/agent/v1"

const (
	// maxStored and maxStoredBytes bound what the upstream keeps here during a run.
	maxStored      = 4096
	maxStoredBytes = 8 << 20
	idLen          = 32
)

// blobs are what a run knows by its hash: the prompt's, which many may share, and what the
// upstream has stored since.
type blobs struct {
	own    map[[idLen]byte][]byte
	stored map[[idLen]byte][]byte
	bytes  int
}

// answer answers a question for a blob, or keeps one. nil: nothing is asked.
func (b *blobs) answer(question *agentv1.KvServerMessage) *agentv1.KvClientMessage {
	answer := &agentv1.KvClientMessage{Id: question.GetId()}
	switch asked := question.GetMessage().(type) {
	case *agentv1.KvServerMessage_GetBlobArgs:
		result := &agentv1.GetBlobResult{}
		result.BlobData = b.get(asked.GetBlobArgs.GetBlobId())
		answer.Message = &agentv1.KvClientMessage_GetBlobResult{GetBlobResult: result}
	case *agentv1.KvServerMessage_SetBlobArgs:
		result := &agentv1.SetBlobResult{}
		if !b.set(asked.SetBlobArgs.GetBlobId(), asked.SetBlobArgs.GetBlobData()) {
			result.Error = &agentv1.ErrorMessage{Message: "there is no room for it"}
		}
		answer.Message = &agentv1.KvClientMessage_SetBlobResult{SetBlobResult: result}
	default:
		return nil
	}
	return answer
}

// get is nil where the blob is unknown: an empty one would be a blob.
func (b *blobs) get(id []byte) []byte {
	if len(id) != idLen {
		return nil
	}
	if data, known := b.own[[idLen]byte(id)]; known {
		return data
	}
	return b.stored[[idLen]byte(id)]
}

// set keeps a blob for as long as the run takes, and tells whether there was room.
func (b *blobs) set(id, data []byte) bool {
	if len(id) != idLen {
		return true // nobody can ask for it
	}
	before, again := b.stored[[idLen]byte(id)]
	if !again && len(b.stored) >= maxStored || b.bytes-len(before)+len(data) > maxStoredBytes {
		return false
	}
	if b.stored == nil {
		b.stored = map[[idLen]byte][]byte{}
	}
	b.stored[[idLen]byte(id)] = data
	b.bytes += len(data) - len(before)
	return true
}
