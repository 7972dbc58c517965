{{- define "carousel.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object of a part: (list $ "gateway"). */}}
{{- define "carousel.labels" -}}
{{- $root := index . 0 -}}
{{ include "carousel.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What finds the pods of a part. It never changes: a Deployment's selector can't. */}}
{{- define "carousel.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image of one of the programs: (list $ .Values.gateway.image). */}}
{{- define "carousel.image" -}}
{{- $root := index . 0 -}}
{{- $tag := default $root.Chart.AppVersion $root.Values.image.tag -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ index . 1 }}:{{ $tag }}
{{- end -}}

{{- define "carousel.secret" -}}
{{- default (printf "%s-secrets" (include "carousel.fullname" .)) .Values.secrets.existing -}}
{{- end -}}

{{/* The Secret with Redis's URL, and its key. */}}
{{- define "carousel.redisSecret" -}}
{{- default (printf "%s-redis" (include "carousel.fullname" .)) .Values.redis.existingSecret -}}
{{- end -}}
{{- define "carousel.redisSecretKey" -}}
{{- ternary .Values.redis.existingSecretKey "url" (ne .Values.redis.existingSecret "") -}}
{{- end -}}

{{/* The Secrets with the certificates of both services; empty without them. */}}
{{- define "carousel.tokenstoreCertificates" -}}
{{- $tls := .Values.tls -}}
{{- if and (not $tls.existingSecret.tokenstore) (or $tls.existingSecret.gateway $tls.plaintext) -}}
{{- fail "tls: which certificate has the tokenstore? Set tls.existingSecret.tokenstore" -}}
{{- end -}}
{{- $tls.existingSecret.tokenstore -}}
{{- end -}}
{{- define "carousel.gatewayCertificates" -}}
{{- $tls := .Values.tls -}}
{{- if and $tls.existingSecret.tokenstore (not (or $tls.existingSecret.gateway $tls.plaintext)) -}}
{{- fail "tls: which certificate do the gateways show? Set tls.existingSecret.gateway, or tls.plaintext=true while they move over" -}}
{{- end -}}
{{- $tls.existingSecret.gateway -}}
{{- end -}}

{{/* What a service with certificates is told of them, and where they come from: the name of the Secret. */}}
{{- define "carousel.certificateEnv" -}}
- {name: TOKENSTORE_TLS_CERT_FILE, value: /run/tls/tls.crt}
- {name: TOKENSTORE_TLS_KEY_FILE, value: /run/tls/tls.key}
- {name: TOKENSTORE_TLS_CA_FILE, value: /run/tls/ca.crt}
{{- end -}}
{{- define "carousel.certificateVolume" -}}
- name: certificates
  secret:
    secretName: {{ . }}
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
      - {key: ca.crt, path: ca.crt}
{{- end -}}

{{/* Keys of the configuration as environment variables. */}}
{{- define "carousel.env" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end -}}

{{/* What the restricted pod security standard wants. */}}
{{- define "carousel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "carousel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* With what the kubelet pulls images, as a pod's field. */}}
{{- define "carousel.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where pods of a part run: (list $ "gateway" .Values.gateway). They are spread over the nodes. */}}
{{- define "carousel.placement" -}}
{{- $root := index . 0 -}}
{{- $part := index . 2 -}}
{{- include "carousel.pullSecrets" $root }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "carousel.selector" (list $root (index . 1)) | nindent 8 }}
{{- end -}}

{{/* A step of "helm test", a container that runs "gateway admin": (list $ NAME ARGUMENTS). */}}
{{- define "carousel.testStep" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "carousel.image" (list $root $root.Values.gateway.image) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args: [admin, {{ index . 2 }}]
  env:
    - {name: CAROUSEL_URL, value: "http://{{ include "carousel.fullname" $root }}:{{ $root.Values.gateway.service.port }}"}
    - {name: CAROUSEL_KEY_FILE, value: /run/carousel/admin-token}
  securityContext: {{- include "carousel.containerSecurity" $root | nindent 4 }}
  volumeMounts:
    - {name: secrets, mountPath: /run/carousel, readOnly: true}
    - {name: test, mountPath: /etc/carousel, readOnly: true}
{{- end -}}
