export const nodePorts = {
  act: "Ports",
  title: (name: string) => `Customers' ports of ${name}`,
  consequences: [
    "Customers publish by these ports of the node, for anybody who reaches them.",
    "Nothing else of the node may need them, and the firewall in front of it has to let them in.",
    "What is published already stays. Leave both empty, and nobody publishes anything new here.",
  ],
  first: "First port",
  last: "Last port",
  invalid: "Enter a port from 1 to 65535, or leave both empty.",
  backwards: "Enter a port that is not below the first.",
  submit: "Set ports",
};
