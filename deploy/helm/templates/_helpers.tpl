{{- define "tappet.labels" -}}
app.kubernetes.io/name: tappet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
