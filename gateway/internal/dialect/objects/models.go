package objects

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Models renders the list of models.
func Models(models []chat.Model) []byte {
	dst := append(make([]byte, 0, 32+96*len(models)), `{"object":"list","data":[`...)
	for i, model := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendModel(dst, model)
	}
	return append(dst, `]}`...)
}

// Model renders one model.
func Model(model chat.Model) []byte { return appendModel(nil, model) }

func appendModel(dst []byte, model chat.Model) []byte {
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, model.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, model.Created, 10)
	dst = append(dst, `,"owned_by":`...)
	dst = rawjson.AppendString(dst, model.OwnedBy)
	return append(dst, '}')
}
