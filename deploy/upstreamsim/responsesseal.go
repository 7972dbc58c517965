package upstreamsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// What an encrypted_content is of.
const (
	reasoningSeal  = 'e'
	compactionSeal = 'c'
)

// wrapHead begins every encrypted_content, so that it looks as OpenAI's do: gAAAA.
var wrapHead = []byte{0x80, 0, 0, 0}

// wrap is the encrypted_content of an item of an organisation: opaque to clients, though not
// secret. It opens for the same organisation and item alone.
func (s *Simulator) wrap(purpose byte, number uint64, organization, item, text string) string {
	body := binary.BigEndian.AppendUint64(append([]byte{}, wrapHead...), number)
	body = append(body, purpose)
	for _, field := range []string{organization, item, text} {
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(field))), field...) //nolint:gosec // shorter than a request
	}
	return base64.URLEncoding.EncodeToString(append(body, s.mac(body, "")...))
}

// unwrap opens what wrap has made.
func (s *Simulator) unwrap(purpose byte, wrapped string) (organization, item, text string, ok bool) {
	raw, err := base64.URLEncoding.DecodeString(wrapped)
	end := len(raw) - sha256.Size
	at := len(wrapHead) + 8
	if err != nil || end <= at || raw[at] != purpose || !hmac.Equal(raw[end:], s.mac(raw[:end], "")) {
		return "", "", "", false
	}
	var fields [3]string
	rest := raw[at+1 : end]
	for i := range fields {
		length := binary.BigEndian.Uint32(rest) // whole, as the seal is right
		fields[i], rest = string(rest[4:4+length]), rest[4+length:]
	}
	return fields[0], fields[1], fields[2], true
}

// checkSeals refuses what another organisation has encrypted, or nobody.
func (c *responsesCall) checkSeals() *rejection {
	for _, item := range c.items {
		sealed := item.get("encrypted_content")
		purpose := byte(reasoningSeal)
		if item.get("type").string() == "compaction" {
			purpose = compactionSeal
		}
		if sealed == nil {
			continue
		}
		id := item.get("id").string()
		organization, made, _, ok := c.sim.unwrap(purpose, sealed.text)
		var reason string
		switch {
		case !ok || c.scenario.kind == invalidEncrypted:
			reason = "Encrypted content could not be decrypted or parsed."
		case organization != c.organization():
			reason = "Encrypted content organization_id did not match the target organization."
		case id != "" && id != made:
			reason = "Encrypted content item_id did not match the target item id."
		default:
			continue
		}
		if id == "" {
			id = made
		}
		return rejected("", "invalid_encrypted_content", "The encrypted content for item %s could not be verified. Reason: %s", id, reason).unnoted()
	}
	return nil
}

// opened is the text of an item's encrypted_content that has been checked.
func (c *responsesCall) opened(item *node) string {
	_, _, text, _ := c.sim.unwrap(reasoningSeal, item.get("encrypted_content").string())
	return text
}
