{{- define "slipway.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "slipway.selector" -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .process }}
{{- end }}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Secrets as files, certificates, and what only an API has: .root, .process */}}
{{- define "slipway.container" -}}
{{- $values := .root.Values -}}
{{- $secrets := get $values.secrets .process -}}
image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ $values.image.pullPolicy }}
args: [{{ .process }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
env:
  - { name: SLIPWAY_PUBLIC_URL, value: {{ required "publicUrl is missing: where people and devices reach the APIs" $values.publicUrl | quote }} }
  {{- $process := .process }}
  {{- range $name, $value := $values.settings }}
  {{- /* Only the bridge connects to the broker, and has its password. */}}
  {{- if or (eq $process "bridge") (not (or (hasPrefix "MQTT_" $name) (eq "SLIPWAY_MQTT_ADMIN" $name))) }}
  - { name: {{ $name }}, value: {{ $value | toString | quote }} }
  {{- end }}
  {{- end }}
  {{- range $secrets }}
  - { name: {{ . }}_FILE, value: /secrets/{{ . }} }
  {{- end }}
  {{- if $values.certificates.trustedByNode }}
  - { name: NODE_EXTRA_CA_CERTS, value: /certificates/ca.crt }
  {{- end }}
  {{- if eq .process "api" }}
  - { name: SLIPWAY_DRAIN_DELAY, value: PT{{ $values.api.drainSeconds }}S }
  {{- if $values.secrets.awsCredentials }}
  - { name: AWS_SHARED_CREDENTIALS_FILE, value: /secrets/{{ $values.secrets.awsCredentials }} }
  {{- end }}
  {{- if $values.keys.secretName }}
  - { name: SLIPWAY_AUDIT_KEY_FILE, value: /keys/audit-key }
  - { name: SLIPWAY_DEVICE_AUTHORITY_FILE, value: /keys/device-authority.pem }
  {{- end }}
  {{- end }}
resources:
  {{- toYaml (get $values .process).resources | nindent 2 }}
volumeMounts:
  - { name: tmp, mountPath: /tmp }
  - { name: data, mountPath: /data }
  - { name: secrets, mountPath: /secrets, readOnly: true }
  {{- if $values.certificates.secretName }}
  - { name: certificates, mountPath: /certificates, readOnly: true }
  {{- end }}
  {{- if and (eq .process "api") $values.keys.secretName }}
  - { name: keys, mountPath: /keys, readOnly: true }
  {{- end }}
{{- end }}

{{/* What a pod of each process has beside its container: .root, .process */}}
{{- define "slipway.pod" -}}
{{- $values := .root.Values -}}
# Variables that Kubernetes makes of services begin with SLIPWAY_, too.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - { name: tmp, emptyDir: {} }
  {{- if and (eq .process "api") $values.data.claimName }}
  - { name: data, persistentVolumeClaim: { claimName: {{ $values.data.claimName }} } }
  {{- else }}
  - { name: data, emptyDir: {} }
  {{- end }}
  - name: secrets
    secret:
      secretName: {{ $values.secrets.name }}
      defaultMode: 0440
      items:
        {{- range get $values.secrets .process }}
        - { key: {{ . }}, path: {{ . }} }
        {{- end }}
        {{- if and (eq .process "api") $values.secrets.awsCredentials }}
        - { key: {{ $values.secrets.awsCredentials }}, path: {{ $values.secrets.awsCredentials }} }
        {{- end }}
  {{- if $values.certificates.secretName }}
  - { name: certificates, secret: { secretName: {{ $values.certificates.secretName }}, defaultMode: 0440 } }
  {{- end }}
  {{- if and (eq .process "api") $values.keys.secretName }}
  - { name: keys, secret: { secretName: {{ $values.keys.secretName }}, defaultMode: 0440 } }
  {{- end }}
{{- end }}

{{- define "slipway.port" -}}
{{ if eq . "api" }}8080{{ else }}9090{{ end }}
{{- end }}
