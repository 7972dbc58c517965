package cursor

import "carousel.internal/gateway/internal/chat"

const (
	device = "03204de92e11fc8c528139be419065920eb83dbff1a4663bbea455aa6e9702bd"
	mac    = "1f0efc62c80760e53a5f7cd9a1c7aff105f84b2bf414a102d177ee7b776f0dc8"
)

func said(role chat.Role, texts ...string) chat.Message {
	message := chat.Message{Role: role}
	for _, text := range texts {
		message.Parts = append(message.Parts, chat.Part{Text: text})
	}
	return message
}
