package responses

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// listModels renders the list of models.
func listModels(models []chat.Model) []byte {
	dst := append(make([]byte, 0, 32+96*len(models)), `{"object":"list","data":[`...)
	for i := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendModel(dst, &models[i])
	}
	return append(dst, `]}`...)
}

func appendModel(dst []byte, model *chat.Model) []byte {
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, model.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, model.Created, 10)
	dst = append(dst, `,"owned_by":`...)
	return append(rawjson.AppendString(dst, model.OwnedBy), '}')
}
