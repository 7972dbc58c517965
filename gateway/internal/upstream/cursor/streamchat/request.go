package streamchat

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
func (c *Client) newMessage(call *upstream.Call, requestID string) (*aiserverv1.GetChatRequest, *upstream.Failure) {
	message := &aiserverv1.GetChatRequest{
		RequestId:      requestID,
		ConversationId: c.newID(),
		ModelDetails:   &aiserverv1.ModelDetails{ModelName: proto.String(valid(call.Model))},
	}
	if call.Options.SlowPool {
		message.ModelDetails.EnableSlowPool = proto.Bool(true)
	}
	if longContext[call.Model] {
		message.LongContextMode = proto.Bool(true)
	}
	instructions, turns, failure := c.split(call)
	if failure != nil {
		return nil, failure
	}
	if strings.TrimSpace(instructions) != "" {
		message.ExplicitContext = &aiserverv1.ExplicitContext{Context: instructions}
	}
	message.Conversation = c.alternate(turns)
	return message, nil
}

// split takes the system messages, which are instructions, out of the conversation.
func (c *Client) split(call *upstream.Call) (string, []*aiserverv1.ConversationMessage, *upstream.Failure) {
	var instructions []string
	var turns []*aiserverv1.ConversationMessage
	for i, message := range call.Request.Messages {
		images := imagesOf(message)
		switch message.Role {
		case chat.System:
			instructions = append(instructions, message.Text())
		case chat.User:
			turns = append(turns, c.turn(human, message.Text(), images))
		case chat.Assistant:
			turns = append(turns, c.turn(model, message.Text(), images))
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
func (c *Client) alternate(turns []*aiserverv1.ConversationMessage) []*aiserverv1.ConversationMessage {
	filled := make([]*aiserverv1.ConversationMessage, 0, len(turns)+2)
	next := human
	for _, turn := range turns {
		if turn.GetType() != next {
			filled = append(filled, c.turn(next, "", nil))
		}
		filled = append(filled, turn)
		next = other(turn.GetType())
	}
	if next == human {
		filled = append(filled, c.turn(human, "", nil))
	}
	return filled
}

func other(kind aiserverv1.ConversationMessage_MessageType) aiserverv1.ConversationMessage_MessageType {
	if kind == human {
		return model
	}
	return human
}

func (c *Client) turn(
	kind aiserverv1.ConversationMessage_MessageType, text string, images []*aiserverv1.ImageProto,
) *aiserverv1.ConversationMessage {
	return &aiserverv1.ConversationMessage{
		Text:                  valid(text),
		Type:                  kind,
		Images:                images,
		BubbleId:              c.newID(),
		IsCapabilityIteration: proto.Bool(false),
	}
}

// imagesOf are a prepared message's images as the upstream takes them. Their
// dimension is absent where it is not known.
func imagesOf(message chat.Message) []*aiserverv1.ImageProto {
	var files []*aiserverv1.ImageProto
	for _, part := range message.Parts {
		if part.Image == nil {
			continue
		}
		file := &aiserverv1.ImageProto{Data: part.Image.Data}
		if part.Image.Width > 0 && part.Image.Height > 0 {
			file.Dimension = &aiserverv1.ImageProto_Dimension{Width: part.Image.Width, Height: part.Image.Height}
		}
		files = append(files, file)
	}
	return files
}
