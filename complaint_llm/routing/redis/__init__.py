"""What several processes keep together through Redis; nothing else imports it until a config asks for it."""
