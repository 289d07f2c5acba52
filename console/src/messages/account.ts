export const account = {
  side: {
    title: "Rent a machine by the second. Know what every cent was for.",
    promises: [
      { title: "Money and machine move together", detail: "Funds are set aside before anything runs. You pay for delivered seconds only, and each charge names its evidence." },
      { title: "Release is proven", detail: "A machine is given to nobody else before it is shown that nothing of yours is left on it." },
      { title: "No standing credentials", detail: "Every login uses a certificate that lives for minutes." },
    ],
  },
  signUp: {
    title: "Create your account",
    email: "Email",
    password: "Password",
    passwordHelp: "At least 12 characters. A few unrelated words do well.",
    name: "Your name",
    organization: "Organization",
    organizationHelp: "Who owns the balance and the machines. Left empty, it carries your name.",
    submit: "Sign up",
    other: "Have an account already?",
    otherLink: "Sign in",
  },
  terms: {
    accept: "I accept the",
    link: (version: string) => `terms (version ${version})`,
    missing: "Read the terms and accept them to go on.",
    changed: "Our terms have changed. You can use what you have paid for; to add funds, accept the new ones first.",
    submit: "I accept them",
  },
  signIn: {
    title: "Sign in",
    email: "Email",
    password: "Password",
    submit: "Sign in",
    other: "New to Sublet?",
    otherLink: "Sign up",
    signedOut: "You are signed out.",
  },
  invalid: {
    email: "Enter an email address, such as ada@example.com.",
    password: "Use at least 12 characters.",
    passwordMissing: "Enter your password.",
    name: "Enter your name.",
  },
};
