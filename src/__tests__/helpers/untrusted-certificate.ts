/** A self-signed certificate for 127.0.0.1 that nothing trusts, and its key; made for tests, valid until 2126. */
export const untrustedCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUBo/ZgRRW25+XvcENYYqFbwiYnAowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE4MjUxOVoYDzIxMjYxMDI5
MTgyNTE5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATanopyP+gMCzhTzjvKPyfdghm5pvedP8wLFUoLG3dxaWuOPGp7i66s
ywN1F0f1Ny80Lwi5nPqkcyKPD824hftCo2QwYjAdBgNVHQ4EFgQUy3QNJA+pFaCY
prF6fj8wn+FNrXYwHwYDVR0jBBgwFoAUy3QNJA+pFaCYprF6fj8wn+FNrXYwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IEniWdqBN3YcyxarvDKMhusvrj48fOkCKLkJUJgDAdOnAiAEyYzKiB5AwTjvSbvj
YXr2+z/qjsTagQRiMyzpYP7GGg==
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJJw8sM8bI/2zhLzo
6a/RDuehmlukVQ0nKvAFQIylFh6hRANCAATanopyP+gMCzhTzjvKPyfdghm5pved
P8wLFUoLG3dxaWuOPGp7i66sywN1F0f1Ny80Lwi5nPqkcyKPD824hftC
-----END PRIVATE KEY-----`,
};
