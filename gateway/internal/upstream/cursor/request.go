package cursor

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

const (
	human = aiserverv1.ConversationMessage_MESSAGE_TYPE_HUMAN
	model = aiserverv1.ConversationMessage_MESSAGE_TYPE_AI
)

// newMessage maps a chat that Prepare has seen to the upstream's request.
func (d *driver) newMessage(call *upstream.Call, requestID string) (*aiserverv1.GetChatRequest, *upstream.Failure) {
	message := &aiserverv1.GetChatRequest{
		RequestId:      requestID,
		ConversationId: d.newID(),
		ModelDetails:   &aiserverv1.ModelDetails{ModelName: proto.String(valid(call.Model))},
	}
	if call.Options.SlowPool {
		message.ModelDetails.EnableSlowPool = proto.Bool(true)
	}
	if longContext[call.Model] {
		message.LongContextMode = proto.Bool(true)
	}
	instructions, turns, failure := d.split(call)
	if failure != nil {
		return nil, failure
	}
	if strings.TrimSpace(instructions) != "" {
		message.ExplicitContext = &aiserverv1.ExplicitContext{Context: instructions}
	}
	message.Conversation = d.alternate(turns)
	return message, nil
}

// split takes the system messages, which are instructions, out of the conversation.
func (d *driver) split(call *upstream.Call) (string, []*aiserverv1.ConversationMessage, *upstream.Failure) {
	var instructions []string
	var turns []*aiserverv1.ConversationMessage
	for i, message := range call.Request.Messages {
		images := imagesOf(message)
		switch message.Role {
		case chat.System:
			instructions = append(instructions, message.Text())
		case chat.User:
			turns = append(turns, d.turn(human, message.Text(), images))
		case chat.Assistant:
			turns = append(turns, d.turn(model, message.Text(), images))
		default:
			return "", nil, refuse(i, fmt.Sprintf("the role %q is not supported", message.Role))
		}
	}
	joined := strings.Join(instructions, "\n\n")
	if joined == "" {
		joined = call.Options.DefaultInstructions
	}
	return valid(joined), turns, nil
}

// valid replaces what protobuf can't carry.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func refuse(i int, reason string) *upstream.Failure {
	return &upstream.Failure{Class: upstream.CallerFault, Message: fmt.Sprintf("messages[%d]: %s", i, reason)}
}

// alternate fills the conversation up with empty messages, so that it begins and
// ends with the human and nobody speaks twice in a row. The upstream is used to
// nothing else.
func (d *driver) alternate(turns []*aiserverv1.ConversationMessage) []*aiserverv1.ConversationMessage {
	filled := make([]*aiserverv1.ConversationMessage, 0, len(turns)+2)
	next := human
	for _, turn := range turns {
		if turn.GetType() != next {
			filled = append(filled, d.turn(next, "", nil))
		}
		filled = append(filled, turn)
		next = other(turn.GetType())
	}
	if next == human {
		filled = append(filled, d.turn(human, "", nil))
	}
	return filled
}

func other(kind aiserverv1.ConversationMessage_MessageType) aiserverv1.ConversationMessage_MessageType {
	if kind == human {
		return model
	}
	return human
}

func (d *driver) turn(
	kind aiserverv1.ConversationMessage_MessageType, text string, images []*aiserverv1.ImageProto,
) *aiserverv1.ConversationMessage {
	return &aiserverv1.ConversationMessage{
		Text:                  valid(text),
		Type:                  kind,
		Images:                images,
		BubbleId:              d.newID(),
		IsCapabilityIteration: proto.Bool(false),
	}
}
