import { defineConfig } from "prisma/config";

// Only `prisma generate` reads it, which asks no database.
export default defineConfig({ schema: "schema.prisma" });
