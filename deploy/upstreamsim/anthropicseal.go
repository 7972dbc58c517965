package upstreamsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// defaultSealKey is Options.SealKey where none is given.
const defaultSealKey = "carousel upstreamsim seals"

// What a seal is for.
const (
	thinkingSeal = 't'
	redactedSeal = 'r'
)

const sealHead = 1 + 8 // the purpose and a number

// seal is a signature over a text. The number makes every one another.
func (s *Simulator) seal(purpose byte, number uint64, text string) string {
	head := binary.BigEndian.AppendUint64([]byte{purpose}, number)
	return base64.StdEncoding.EncodeToString(append(head, s.mac(head, text)...))
}

func (s *Simulator) mac(head []byte, text string) []byte {
	mac := hmac.New(sha256.New, []byte(s.options.SealKey))
	_, _ = mac.Write(head)
	_, _ = mac.Write([]byte(text))
	return mac.Sum(nil)
}

// sealed tells whether the simulator made the seal over that text.
func (s *Simulator) sealed(purpose byte, seal, text string) bool {
	raw, err := base64.StdEncoding.DecodeString(seal)
	return err == nil && len(raw) == sealHead+sha256.Size && raw[0] == purpose &&
		hmac.Equal(raw[sealHead:], s.mac(raw[:sealHead], text))
}

// badSeal is the refusal of the first thinking block that the simulator did not
// make, or that was altered.
func (s *Simulator) badSeal(turns []turn) string {
	for _, turn := range turns {
		for _, block := range turn.blocks {
			switch {
			case block.kind() == "thinking" && !s.sealed(thinkingSeal, block.get("signature").string(), block.get("thinking").string()):
				return invalidSignature(block)
			case block.kind() == "redacted_thinking" && !s.sealed(redactedSeal, block.get("data").string(), ""):
				return block.path + ": Invalid `data` in `redacted_thinking` block"
			}
		}
	}
	return ""
}

func invalidSignature(block placed) string {
	return block.path + ": Invalid `signature` in `thinking` block"
}
