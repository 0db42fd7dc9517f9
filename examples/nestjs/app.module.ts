import { Module } from '@nestjs/common'
import { AppController } from './app.controller.js'
import { SessionsModule } from './sessions.module.js'

@Module({ imports: [SessionsModule], controllers: [AppController] })
export class AppModule {}
