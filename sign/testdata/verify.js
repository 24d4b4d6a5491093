// Verifies what it reads on stdin with packages that others wrote, and prints one line for each: "ok" or why not.
//
// [{"scheme": "standard", "secret", "headers", "body"},
//  {"scheme": "smarterpay", "secret", "signature", "body"},
//  {"scheme": "sns", "certificate", "message"}]
'use strict';

const crypto = require('crypto');
const https = require('https');
const { EventEmitter } = require('events');
const { Webhook } = require('standardwebhooks');
const MessageValidator = require('sns-validator');

// sns-validator gets the certificate from the URL in the message; here it is given it.
let certificate = '';
https.get = (url, answered) => {
  const response = new EventEmitter();
  response.statusCode = 200;
  process.nextTick(() => {
    answered(response);
    response.emit('data', Buffer.from(certificate));
    response.emit('end');
  });
  return new EventEmitter();
};

const verifiers = {
  standard: async (c) => new Webhook(c.secret).verify(c.body, c.headers),
  // As the vendor says: HMAC-SHA256 with the webhook key over the raw body, in hex, lower case, without dashes.
  smarterpay: async (c) => {
    const expected = crypto.createHmac('sha256', Buffer.from(c.secret, 'utf8')).update(Buffer.from(c.body, 'utf8')).digest('hex');
    if (expected !== c.signature) throw new Error('Webhook-Signature does not match');
  },
  sns: (c) => new Promise((resolve, reject) => {
    certificate = c.certificate;
    new MessageValidator().validate(c.message, (err) => (err ? reject(err) : resolve()));
  }),
};

(async () => {
  const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  for (const c of cases) {
    try {
      await verifiers[c.scheme](c);
      console.log('ok');
    } catch (err) {
      console.log(String(err.message || err).split('\n')[0]);
    }
  }
})();
